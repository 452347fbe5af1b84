# mediasift as a service: docker build --tag mediasift . ; see docs/deployment.md.
ARG PYTHON=3.13.7-slim-trixie

FROM python:${PYTHON} AS build
ARG EXTRAS=serve
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE LICENSE-APACHE NOTICE CHANGELOG.md CITATION.cff ./
COPY exported_models exported_models
COPY training training
COPY inference inference
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && python -m venv --without-pip /opt/mediasift \
 && python -m pip --python /opt/mediasift/bin/python install --no-cache-dir "$(ls /wheels/mediasift-*.whl)[${EXTRAS}]"

FROM python:${PYTHON}
COPY --from=build /opt/mediasift /opt/mediasift
ENV PATH=/opt/mediasift/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp MEDIASIFT_MODELS=/models
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=4)"]
ENTRYPOINT ["mediasift"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
