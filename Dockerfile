# Training, searches and exports on a CPU.
#
#   docker build -t tlkeras .
#   docker run --rm -v "$PWD/photos:/data:ro" -v "$PWD/runs:/work/runs" \
#     -v tlkeras-cache:/cache tlkeras train --data=/data
#
# The images are read from /data, run directories are written to /work/runs by
# the user 1000, and /cache keeps weights and activations between containers.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    TLKERAS_CACHE=/cache/tlkeras \
    KERAS_HOME=/cache/keras

# Dependencies are a layer of their own: a change of the code keeps it.
COPY setup.py README.md LICENSE /src/
RUN mkdir /src/tlkeras && pip install '/src[openvino]'

COPY tlkeras /src/tlkeras
RUN pip install --no-deps --force-reinstall /src \
    && useradd --uid 1000 --create-home tlkeras \
    && mkdir -p /work/runs /cache \
    && chown -R tlkeras /work /cache

USER tlkeras
WORKDIR /work
VOLUME ["/data", "/work/runs", "/cache"]
ENTRYPOINT ["tlkeras"]
CMD ["--help"]
