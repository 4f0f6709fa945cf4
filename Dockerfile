# The image of scopegate: the gateway, the authorization server and the command line in one binary. docs/deploy.md says how it is run.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t scopegate:0.1.0 .
#
# Both bases can be replaced, by a mirror or by one that is pinned by digest: BUILDER needs Rust 1.95, a C compiler and binutils; RUNTIME needs
# glibc 2.36 or later, libgcc and the certificates of public authorities.
ARG BUILDER=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
ARG REVISION=unknown
ARG PROFILE=dist
# `--build-arg FEATURES=otel` makes an image with traces.
ARG FEATURES=
# A path of the builder in the binary would make two builds of one source differ.
RUN --mount=type=cache,target=/cargo \
    --mount=type=cache,target=/target \
    export CARGO_HOME=/cargo CARGO_TARGET_DIR=/target SCOPEGATE_REVISION="$REVISION" \
           RUSTFLAGS="--remap-path-prefix=/src=scopegate --remap-path-prefix=/target=target --remap-path-prefix=/cargo=cargo" \
           CFLAGS="-ffile-prefix-map=/src=scopegate -ffile-prefix-map=/target=target -ffile-prefix-map=/cargo=cargo" \
    && cargo build --locked --profile "$PROFILE" --features "$FEATURES" --bin scopegate \
    && mkdir -p /out/bin /out/data \
    && objcopy --only-keep-debug "/target/$PROFILE/scopegate" /out/scopegate.debug \
    && strip --strip-all -o /out/bin/scopegate "/target/$PROFILE/scopegate"

# `docker build --target debug` has what a debugger or `perf` wants beside the image: /scopegate.debug.
FROM scratch AS debug
COPY --from=build /out/scopegate.debug /scopegate.debug

FROM ${RUNTIME}
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="scopegate" \
      org.opencontainers.image.description="A reverse proxy that enforces OAuth scopes per route and method" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY LICENSE-MIT LICENSE-APACHE THIRD-PARTY-NOTICES /usr/share/doc/scopegate/
COPY --from=build /out/bin/scopegate /usr/bin/scopegate
# Where the authorization server keeps its database; the gateway writes nowhere.
COPY --from=build --chown=65532:65532 /out/data /var/lib/scopegate
ENV SCOPEGATE_CONFIG=/etc/scopegate/scopegate.yaml \
    SCOPEGATE_AUTHORIZATION_SERVER_CONFIG=/etc/scopegate/authorization-server.yaml
# A number, for Kubernetes to see that it is not root.
USER 65532:65532
EXPOSE 8080 9901
STOPSIGNAL SIGTERM
# Whether it lives, not whether it is ready: some kill what is unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/bin/scopegate", "probe"]
ENTRYPOINT ["/usr/bin/scopegate"]
CMD ["serve"]
