# syntax=docker/dockerfile:1
# One image with the three services and the `kassa` binary. Which one runs is the container's command:
# payment-grpc, callback-ingress, worker, or kassa (`kassa migrate up`, `kassa doctor`, `kassa up`).

# The same version as in rust-toolchain.toml, which .dockerignore leaves out: it would fetch rustfmt and clippy.
ARG RUST_VERSION=1.95.0

FROM rust:${RUST_VERSION}-slim-bookworm AS build
# A C compiler for aws-lc and SQLite. Debian's security updates are wanted, so no version is pinned here.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends g++ make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
# The ingress is built by itself: beside the others it would share their gateways, outbound HTTP client and all.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --package kassa --package payment-grpc --package worker \
 && cargo build --release --locked --package callback-ingress \
 && install --strip -D --target-directory=/out \
    target/release/kassa target/release/payment-grpc target/release/callback-ingress target/release/worker

FROM debian:bookworm-slim
# Root certificates for the gateways, the database and the broker.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /var/lib/kassa --shell /usr/sbin/nologin kassa
COPY --from=build /out/ /usr/local/bin/
COPY LICENSE /usr/share/doc/kassa/LICENSE
# Only `kassa up` (the embedded default) writes here; the three services keep nothing on disk.
WORKDIR /var/lib/kassa
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
STOPSIGNAL SIGTERM
CMD ["kassa", "--help"]
