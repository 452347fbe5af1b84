"""What a new user tries first: drawn pictures, a made film and letter, and the verbs that make tables of them."""
