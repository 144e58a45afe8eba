# The image of the chart. Pin the base by digest where you build it:
#   docker build --build-arg PYTHON=python:3.13-slim-trixie@sha256:… --build-arg SOURCE_DATE_EPOCH=… .
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS build
# Files carry this time, so that the same sources give the same layers.
ARG SOURCE_DATE_EPOCH=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
RUN python -m venv /opt/builder && python -m venv /opt/kube2git
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN /opt/builder/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
 && /opt/kube2git/bin/pip install --require-hashes --only-binary :all: --no-compile -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY kube2git kube2git
# Compiled here, since the file system is read-only later; by hash, since the files' times are set.
RUN /opt/builder/bin/pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist . \
 && /opt/kube2git/bin/pip install --no-deps --no-index --no-compile dist/*.whl \
 && /opt/kube2git/bin/pip uninstall --yes pip \
 && /opt/kube2git/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/kube2git \
 && find /opt/kube2git -exec touch --no-dereference --date=@${SOURCE_DATE_EPOCH} {} +

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
LABEL org.opencontainers.image.title="kube2git" \
      org.opencontainers.image.description="A Kubernetes cluster's state as Git history that can be replayed." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The user needs an entry in passwd, or ssh does not start.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git gnupg openssh-client \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/* \
 && groupadd --gid 10001 kube2git \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/kube2git --create-home --shell /usr/sbin/nologin kube2git
COPY --from=build /opt/kube2git /opt/kube2git
ENV PATH=/opt/kube2git/bin:$PATH HOME=/var/lib/kube2git PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/kube2git
ENTRYPOINT ["kube2git"]
CMD ["--help"]
