//! When certificates expire.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::IntGaugeVec;

use super::families::Families;

/// A certificate where it is used: by a listener, or towards an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateExpiry {
    /// The listener's address as the gateway file writes it, or empty.
    pub listener: String,
    /// The upstream's name, or empty.
    pub upstream: String,
    /// Its file, as the gateway file writes it.
    pub certificate: String,
    /// When it expires, in seconds since the Unix epoch.
    pub expires: i64,
}

/// The family that has a certificate's file for a label.
#[derive(Debug)]
pub(super) struct CertificateFamilies {
    expiry: IntGaugeVec,
    /// Label values that children were made for.
    shown: Mutex<BTreeSet<[String; 3]>>,
}

impl CertificateFamilies {
    pub(super) fn new(families: &Families<'_>) -> Self {
        let expiry = families.gauges(
            "scopegate_certificate_expiry_timestamp_seconds",
            "When a certificate expires, in seconds since the Unix epoch.",
            &["listener", "upstream", "certificate"],
        );
        Self { expiry, shown: Mutex::default() }
    }

    /// Shows these certificates and no others.
    pub(super) fn show(&self, in_use: Vec<CertificateExpiry>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *shown);
        for CertificateExpiry { listener, upstream, certificate, expires } in in_use {
            let labels = [listener, upstream, certificate];
            self.expiry.with_label_values(&labels).set(expires);
            shown.insert(labels);
        }
        for gone in before.difference(&shown) {
            // What is not there needs no removal: the error says no more than that.
            let _ = self.expiry.remove_label_values(gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    fn used(certificate: &str, expires: i64) -> CertificateExpiry {
        CertificateExpiry {
            listener: "[::1]:8443".into(),
            upstream: String::new(),
            certificate: certificate.into(),
            expires,
        }
    }

    #[test]
    fn only_certificates_in_use_are_shown() {
        let registry = Registry::new();
        let families = CertificateFamilies::new(&Families(&registry));
        families.show(vec![used("a.pem", 1), used("b.pem", 2)]);
        families.show(vec![used("b.pem", 3), used("c.pem", 4)]);
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let mut samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        samples.sort_unstable();
        let expected = |certificate, value| {
            format!(
                "scopegate_certificate_expiry_timestamp_seconds{{certificate=\"{certificate}\",listener=\"[::1]:8443\",upstream=\"\"}} {value}"
            )
        };
        assert_eq!(samples, [expected("b.pem", 3), expected("c.pem", 4)]);
    }
}
