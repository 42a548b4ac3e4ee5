# Runs offline and as nobody in particular:
#   docker build --tag synthhealth .
#   docker run --rm --network none --read-only --tmpfs /tmp --volume "$PWD:/work" --user "$(id -u):$(id -g)" synthhealth plan
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/synthhealth
COPY constraints.txt ./
RUN /opt/synthhealth/bin/pip install --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu torch
COPY pyproject.toml README.md LICENSE ./
COPY privacy ./privacy
COPY evaluation ./evaluation
COPY synthhealth ./synthhealth
RUN /opt/synthhealth/bin/pip install --constraint constraints.txt ".[demo,pdf,fhir,meds,sql]"

FROM python:3.11-slim
# What weasyprint draws PDF files with; the versions are those of the image's Debian, which keeps no old ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 synthhealth
COPY --from=build /opt/synthhealth /opt/synthhealth
ENV PATH=/opt/synthhealth/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib HOME=/tmp
USER 10001
WORKDIR /work
ENTRYPOINT ["synthhealth"]
CMD ["--help"]
