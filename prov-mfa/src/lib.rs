//! prov-mfa
