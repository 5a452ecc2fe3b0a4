from __future__ import annotations

from ..tenant import (
    make_tenant,
    tenant,
    tenant_authority,
    tenant_certificate,
    tenant_key,
    tenant_trust,
)

__all__ = [
    "make_tenant",
    "tenant",
    "tenant_authority",
    "tenant_certificate",
    "tenant_key",
    "tenant_trust",
]
