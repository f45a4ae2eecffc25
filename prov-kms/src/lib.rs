//! prov-kms
