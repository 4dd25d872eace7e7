# The build needs Go alone; the image is the static binary, certificates and
# time zones.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /ringpost ./cmd/ringpost
# An empty volume takes over the owner of the folder that it covers.
RUN mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /ringpost /ringpost
COPY --from=build --chown=nonroot:nonroot /data /data
# ringpost.toml is mounted at /etc/ringpost; a relative [store] url is in /data.
WORKDIR /data
VOLUME /data
ENV RINGPOST_CONFIG=/etc/ringpost/ringpost.toml
EXPOSE 8080 8081
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/ringpost", "health"]
ENTRYPOINT ["/ringpost"]
CMD ["serve"]
