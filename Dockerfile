# tapewatch as an image: every process in one container, without root and without Redis, which stands beside it.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE requirements.lock requirements-build.lock ./
COPY market market
COPY indicators indicators
COPY redis_functions redis_functions
COPY vendor vendor
COPY ingest ingest
COPY simulator simulator
COPY rest_bridge rest_bridge
COPY grafana grafana
COPY tapewatch tapewatch
# Redis has a container of its own: the extra `embedded` stays out.
RUN python -m venv /opt/tapewatch \
 && /opt/tapewatch/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock -r requirements.lock \
 && /opt/tapewatch/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/tapewatch/bin/pip uninstall --yes --quiet setuptools

FROM python:3.11-slim
COPY --from=build /opt/tapewatch /opt/tapewatch
RUN useradd --system --uid 10001 --home-dir /var/lib/tapewatch --create-home tapewatch
USER tapewatch
WORKDIR /var/lib/tapewatch
ENV PATH=/opt/tapewatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TAPEWATCH_DATA_DIR=/var/lib/tapewatch
VOLUME /var/lib/tapewatch
EXPOSE 8080
CMD ["tapewatch", "run"]
