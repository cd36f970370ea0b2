# The demo project with stream_events and all that it needs. How to run it: docs/container.md.
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/venv
# The requirements first: they stay in the cache when only the code changes.
COPY pyproject.toml setup.cfg README.md LICENSE ./
COPY stream_events/__init__.py stream_events/version.py stream_events/
RUN python -m pip --python /opt/venv/bin/python install --no-cache-dir ".[demo]"
COPY stream_events stream_events
RUN python -m pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --force-reinstall .
WORKDIR /app
COPY manage.py ./
COPY demo_project demo_project
RUN SECRET_KEY=unused DEBUG=off /opt/venv/bin/python manage.py collectstatic --no-input

FROM python:${PYTHON_VERSION}-slim
RUN useradd --no-log-init --uid 10001 --user-group --no-create-home --home-dir /app app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 DEBUG=off
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# What consumers and relays touch while they work. A web server has a check of its own in compose.yaml.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "stream_events.health", "/tmp/health"]
ENTRYPOINT ["python", "manage.py"]
CMD ["runconsumer", "--all", "--health-file", "/tmp/health"]
