"""A classifier of one's own: a head on an embedded network, taught with labelled pictures. Needs scikit-learn."""
