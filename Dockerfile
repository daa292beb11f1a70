# mayfly alone, and the certificate authorities it trusts. `make image` builds it
# without an engine, from these very lines. It has no shell: copy /mayfly into the
# image of a job (docs/install.md).
FROM scratch
ARG TARGETARCH
COPY dist/mayfly-linux-${TARGETARCH} /mayfly
COPY dist/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ENTRYPOINT ["/mayfly"]
