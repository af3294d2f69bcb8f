# One image for every service, the command line and the agent; which of them runs is the command of the container.
#
#   docker build -t sms .                                          from the public base and the package index
#   docker build --build-arg BASE=my-base:bookworm -t sms context  with wheels in context/wheels: no network needed
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# Wheels, when there are any (made by `pip wheel --require-hashes`, which has checked them against the lock): the
# pattern may match nothing, the lock is always there.
COPY requirements-runtime.lock wheels* /build/
RUN python3 -m venv /opt/venv \
 && if ls /build/*.whl >/dev/null 2>&1; \
    then set -- --no-index --no-deps /build/*.whl; \
    else set -- --require-hashes --requirement /build/requirements-runtime.lock; fi \
 && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --quiet "$@" \
 && rm -rf /build \
 && useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin sms \
 && install -d -o sms -g sms -m 0700 /config /data

WORKDIR /opt/sms
COPY contracts /opt/sms/contracts
COPY shared /opt/sms/shared
COPY services /opt/sms/services
COPY agents /opt/sms/agents
COPY cli /opt/sms/cli
# A new volume takes its owner and mode from what the image has at the place where it is mounted first.
RUN for name in bus $(ls -d services/*/); do install -d -o sms -g sms -m 0700 "/handed-out/${name#services/}"; done
RUN printf '#!/bin/sh\nexec /opt/venv/bin/python -m cli "$@"\n' >/usr/local/bin/sms && chmod 0755 /usr/local/bin/sms

ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/sms PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SMS_DATA=/config
USER sms
CMD ["sms", "--help"]
