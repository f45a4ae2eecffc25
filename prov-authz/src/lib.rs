//! prov-authz
