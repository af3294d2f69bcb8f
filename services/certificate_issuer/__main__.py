"""Starts the service: settings, bootstrap, run."""

from services.certificate_issuer.bootstrap import wire
from services.certificate_issuer.handlers import AUTHORITIES, REFUSALS
from services.certificate_issuer.settings import CertificateIssuerSettings
from shared.service import run_service

if __name__ == "__main__":
    run_service(CertificateIssuerSettings(), wire, collections=(AUTHORITIES, REFUSALS))
