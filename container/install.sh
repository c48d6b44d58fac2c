#!/bin/sh
# Install the sources in /src into /opt/skullstrip: what Dockerfile and apptainer.def have in common.
set -eu
python3 -m venv /opt/skullstrip
/opt/skullstrip/bin/python -m pip install --no-cache-dir "/src[batch,cluster,dicom]"
/opt/skullstrip/bin/python -m pip uninstall --yes pip
