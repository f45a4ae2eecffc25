//! prov-store
