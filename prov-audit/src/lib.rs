//! prov-audit
