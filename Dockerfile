# The service, and the service with a browser for meeting bots:
#   docker build --target service -t orchestration-service .
#   docker build --target bots -t orchestration-service:bots .
# It runs as user 10001 with a read-only root. /state/var has the state (a volume), /tmp the uploads in progress
# (a volume, up to gateway.spool_bytes); settings are read from /state/config/orchestration.yaml if it is mounted.

FROM python:3.11.15-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# Without pip: the image installs nothing once it is built.
RUN python -m venv --without-pip /opt/orch
# What the lock lists is installed before the code is copied, so that a change of the code does not repeat it.
# With what exports traces, which is imported only where a collector is set.
COPY requirements/otel.lock requirements/otel.lock
RUN pip --python /opt/orch/bin/python install --require-hashes --requirement requirements/otel.lock
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY config/ config/
COPY templates/ templates/
COPY static/ static/
COPY orch/ orch/
RUN pip --python /opt/orch/bin/python install --no-deps --no-index --no-build-isolation .

FROM python:3.11.15-slim-bookworm AS service
LABEL org.opencontainers.image.title="orchestration-service" \
      org.opencontainers.image.description="Live speech translation: speech in, translated captions out" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 orch \
    && useradd --uid 10001 --gid orch --home-dir /state/var --no-create-home --shell /usr/sbin/nologin orch \
    && install --directory --owner=orch --group=orch --mode=0700 /state/var
COPY --from=build /opt/orch /opt/orch
ENV PATH=/opt/orch/bin:$PATH PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0 PORT=3000
WORKDIR /state
USER 10001:10001
VOLUME ["/state/var", "/tmp"]
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "orch.ready"]
ENTRYPOINT ["orch"]
CMD ["serve"]

FROM service AS bots
USER 0
# Debian has one version of Chromium at a time, the newest with its security fixes: a pinned one could not be
# installed any more.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends chromium \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001

# The one without a browser is what `docker build .` makes.
FROM service
