//! prov-auth
