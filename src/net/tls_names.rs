//! Which of several certificates a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Certificate;

/// Certificates by the names that they are for. The first is shown to whoever asks for none of them, or for none at all.
#[derive(Debug)]
pub(super) struct CertificatesByName {
    first: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcards: HashMap<String, Arc<CertifiedKey>>,
}

impl CertificatesByName {
    /// Of two certificates for one name the first is shown.
    pub(super) fn new(first: &Certificate, others: &[Certificate]) -> Self {
        let (mut exact, mut wildcards) = (HashMap::new(), HashMap::new());
        for certificate in std::iter::once(first).chain(others) {
            for name in certificate.names() {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut wildcards, rest),
                    None => (&mut exact, name.as_str()),
                };
                names.entry(name.to_owned()).or_insert_with(|| Arc::clone(certificate.key()));
            }
        }
        Self { first: Arc::clone(first.key()), exact, wildcards }
    }

    /// RFC 6125 §6.4: letter case means nothing, and a wildcard stands for one label.
    fn find(&self, name: &str) -> &Arc<CertifiedKey> {
        let name = name.to_ascii_lowercase();
        let wildcard = || self.wildcards.get(name.split_once('.')?.1);
        self.exact.get(&name).or_else(wildcard).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for CertificatesByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(hello.server_name().map_or(&self.first, |name| self.find(name))))
    }
}

/// Whether a certificate's name is that of `host`, both in lower case (RFC 6125 §6.4): a wildcard stands for one label.
pub(super) fn is_for(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, parent)| parent == rest),
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let chain = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        Certificate::read("test", chain.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }

    #[test]
    fn the_nearest_name_wins_and_the_first_is_for_everybody_else() {
        let all = [certificate(&["www.test"]), certificate(&["*.api.test"]), certificate(&["a.api.test", "www.test"])];
        let names = CertificatesByName::new(&all[0], &all[1..]);
        let cases = [
            ("www.test", 0),
            ("WWW.Test", 0),
            ("a.api.test", 2),
            ("A.API.test", 2),
            ("b.api.test", 1),
            ("b.a.api.test", 0),
            ("api.test", 0),
            ("elsewhere.test", 0),
            ("localhost", 0),
        ];
        for (name, expected) in cases {
            assert!(Arc::ptr_eq(names.find(name), all[expected].key()), "{name}");
        }
    }

    #[test]
    fn rfc6125_6_4_a_wildcard_stands_for_one_label() {
        for (name, host, expected) in [
            ("api.test", "api.test", true),
            ("api.test", "www.api.test", false),
            ("*.test", "api.test", true),
            ("*.test", "a.api.test", false),
            ("*.api.test", "api.test", false),
        ] {
            assert_eq!(is_for(name, host), expected, "{name} {host}");
        }
    }
}
