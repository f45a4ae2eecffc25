//! prov-secrets
