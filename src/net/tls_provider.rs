//! The one cryptographic provider, named outright: no feature of another crate may choose it.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;

use super::TlsFault;
use super::tls_certificate::digest_of;

/// aws-lc-rs with the cipher suites and key exchanges that rustls offers by default, X25519MLKEM768 first.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(default_provider())))
}

/// Certificates that others' certificates may lead up to; cheap to clone. Two are equal if they hold the same ones.
#[derive(Clone, Debug)]
pub struct Roots {
    store: Arc<RootCertStore>,
    digest: [u8; 32],
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Roots {}

impl Roots {
    /// Trusts these certificates alone.
    ///
    /// # Errors
    ///
    /// [`TlsFault::Refused`] for the first that is no certificate, [`TlsFault::NoRoots`] if there is none.
    pub fn of(certificates: Vec<CertificateDer<'static>>) -> Result<Self, TlsFault> {
        let digest = digest_of(certificates.iter().map(AsRef::as_ref));
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store.add(certificate).map_err(TlsFault::Refused)?;
        }
        Self::holding(store, digest)
    }

    /// Trusts what the system trusts, as it was when the process first asked for it.
    ///
    /// # Errors
    ///
    /// [`TlsFault::NoRoots`] if the system has none.
    pub fn of_the_system() -> Result<Self, TlsFault> {
        static SYSTEM: OnceLock<(Arc<RootCertStore>, [u8; 32])> = OnceLock::new();
        let (store, digest) = SYSTEM.get_or_init(|| {
            let certificates = rustls_native_certs::load_native_certs().certs;
            let digest = digest_of(certificates.iter().map(AsRef::as_ref));
            let mut store = RootCertStore::empty();
            // A system's store may hold certificates that cannot be read; they are left out.
            store.add_parsable_certificates(certificates);
            (Arc::new(store), digest)
        });
        if store.is_empty() { Err(TlsFault::NoRoots) } else { Ok(Self { store: Arc::clone(store), digest: *digest }) }
    }

    fn holding(store: RootCertStore, digest: [u8; 32]) -> Result<Self, TlsFault> {
        if store.is_empty() { Err(TlsFault::NoRoots) } else { Ok(Self { store: Arc::new(store), digest }) }
    }

    pub(super) fn store(&self) -> &Arc<RootCertStore> {
        &self.store
    }

    pub(super) fn digest(&self) -> &[u8] {
        &self.digest
    }
}
