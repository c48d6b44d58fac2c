# docker build -t skullstrip .
# docker run --rm --network none --read-only -u "$(id -u):$(id -g)" -v "$PWD:/data" skullstrip T1.nii.gz
FROM python:3.12-slim AS build
COPY . /src
RUN sh /src/container/install.sh

FROM python:3.12-slim
COPY --from=build /opt/skullstrip /opt/skullstrip
# Nothing is written but outputs: no bytecode, no cache in a home that may not be there.
ENV PATH=/opt/skullstrip/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /data
ENTRYPOINT ["skullstrip"]
