# SPDX-License-Identifier: Apache-2.0
# An image that holds the program, what it links, and nothing else: no shell, no package manager.
#
#     docker build -t kube-node-tracer .
#     docker build --platform linux/arm64 -t kube-node-tracer .
#     buildah bud --build-arg PLATFORM=linux/arm64 -t kube-node-tracer .
#     buildah bud --build-arg BUILD_IMAGE=localhost/my-debian -t kube-node-tracer .
#
# BUILD_IMAGE is any Debian 12 or later, or Ubuntu 24.04 or later, with its package sources. PLATFORM is
# linux/amd64 or linux/arm64, by default that of this machine or of --platform (which docker needs, for what the
# image says of itself); for another one than the machine's, the kernel needs qemu's binfmt_misc.
# A release of the base by its date, which does not change under the same name; its packages are brought up to date.
ARG BUILD_IMAGE=debian:bookworm-20251229-slim
ARG RUNTIME_IMAGE=scratch
ARG PLATFORM=${TARGETPLATFORM}

FROM --platform=${PLATFORM} ${BUILD_IMAGE} AS build
RUN apt-get -q -o Acquire::Retries=3 update && \
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 upgrade && \
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 install --no-install-recommends \
        ca-certificates libcap2-bin
COPY . /source
WORKDIR /source
RUN BUILD_DIR=/build ./bootstrap build --prefix=/usr --sysconfdir=/etc --localstatedir=/var && \
    make -C /build install-strip DESTDIR=/installed
RUN container/collect /installed /image /image-dump && container/contents /image

FROM --platform=${PLATFORM} ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="kube-node-tracer" \
      org.opencontainers.image.description="Rolling packet capture of a node, offloaded to object storage" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
# The folder that the original writes to. Whatever is mounted here has to be writable for the account.
COPY --from=build --chown=65532:65532 /image-dump /dump
ENV STATE_DIRECTORY=/dump
VOLUME ["/dump"]
# Numbers, so that runAsNonRoot can be checked. CAP_NET_RAW comes from the file: see container/README.md.
USER 65532:65532
ENTRYPOINT ["/usr/sbin/kube-node-tracer"]
