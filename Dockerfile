# The page and the worker, as two targets of one image: what differs is what is started.
#
#     docker build --target worker -t affidavit-worker .
#     docker build --target page -t affidavit-page .
#
# docs/aws.md says which settings and which role each needs.
FROM python:3.11-slim AS base
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN useradd --create-home --uid 10001 affidavit
WORKDIR /app
# What changes rarely comes first: the layers below are made anew only with the lock.
COPY requirements-run.lock ./
RUN python -m pip install --require-hashes --only-binary :all: -r requirements-run.lock
COPY storage storage
COPY tools tools
COPY nodes nodes
COPY graph graph
COPY scripts scripts
COPY ui ui
ENV AFFIDAVIT_BACKEND=aws \
    AFFIDAVIT_HOME=/home/affidavit/data \
    PYTHONPATH=/app
USER affidavit
ENTRYPOINT ["python", "-m", "scripts.cli"]

# SIGTERM lets a worker bring its runs to the end of their step; give it 30 seconds.
FROM base AS worker
CMD ["worker"]

# The page has no sign-in of its own: put it behind a load balancer that asks who is there.
FROM base AS page
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["python", "-m", "streamlit", "run", "/app/ui/app.py"]
CMD ["--server.address", "0.0.0.0", "--server.port", "8501", "--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none", "--client.toolbarMode", "viewer", "--logger.hideWelcomeMessage", "true", "--logger.level", "warning"]
