//! `tls` of listeners and upstreams: certificates, keys and whom to trust.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls::pki_types::ServerName;

use crate::net::{
    Certificate, CertificateDoubt, CertificateFault, ClientCertificates, ClientTls, ClientTlsSettings, Protocol,
    Protocols, Roots, ServerTls, ServerTlsSettings, TlsFault, TlsVersion, read_certificates,
};

use super::faults::Fault;
use super::gateway_file::refuse_empty;
use super::read::Fields;
use super::scalars::Wrong;
use super::secrets::Folder;
use super::source::{Place, Placed};
use super::tls_keys;

/// Others than the owner and the group may read it.
const READ_BY_OTHERS: u32 = 0o004;

/// Reads a listener's `tls`; `None` after a fault.
pub(super) fn of_listener(fields: &Fields<'_, '_>, folder: &mut Folder<'_>, protocols: Protocols) -> Option<ServerTls> {
    refuse_empty(fields, "certificates", "write at least one, such as `[{chain: tls/api.pem, key: tls/api.key}]`");
    let items = fields.items("certificates").iter().enumerate();
    let certificates: Vec<_> = items
        .map(|(number, node)| {
            let subject = fields.subject.inside(format_args!("certificates[{number}]"));
            let fields = Fields::read(node, tls_keys::CERTIFICATE, subject, fields.faults);
            certificate(&fields, folder, "chain")
        })
        .collect();
    let clients = client_certificates(fields, folder);
    let least = if fields.choice("min_version") == "1.3" { TlsVersion::Tls13 } else { TlsVersion::Tls12 };
    let certificates = certificates.into_iter().collect::<Option<Vec<_>>>()?;
    warn_of_same_names(fields, &certificates);
    let mut certificates = certificates.into_iter().map(|placed| placed.value);
    let settings = ServerTlsSettings {
        first: certificates.next()?,
        others: certificates.collect(),
        least,
        clients: clients?,
        protocols,
    };
    set_up(fields, ServerTls::new(settings))
}

/// Reads an upstream's `tls`, with every default where it is not written; `None` after a fault.
pub(super) fn of_upstream(fields: &Fields<'_, '_>, folder: &mut Folder<'_>, protocol: Protocol) -> Option<ClientTls> {
    let certificate = match (fields.node("certificate"), fields.node("key")) {
        (None, None) => Some(None),
        (Some(_), Some(_)) => certificate(fields, folder, "certificate").map(|placed| Some(placed.value)),
        (Some(_), None) => lacks(fields, "certificate", "key"),
        (None, Some(_)) => lacks(fields, "key", "certificate"),
    };
    let roots = match fields.node("ca") {
        Some(_) => roots(fields, folder, "ca"),
        None => set_up(fields, Roots::of_the_system()),
    };
    let server_name = match fields.node("server_name") {
        Some(_) => fields.parsed("server_name", |scalar| server_name(scalar.text)).map(|placed| Some(placed.value)),
        None => Some(None),
    };
    let settings = ClientTlsSettings { roots: roots?, server_name: server_name?, certificate: certificate?, protocol };
    set_up(fields, ClientTls::new(settings))
}

fn server_name(text: &str) -> Result<ServerName<'static>, Wrong> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| Wrong::expected("a DNS name or an IP address, as certificates have them"))
}

fn lacks<T>(fields: &Fields<'_, '_>, written: &str, lacking: &str) -> Option<T> {
    let what = format!("is written without `{lacking}`");
    fields.refuse(fields.place_of(written), written, what, Some("a certificate is shown with its key".to_owned()));
    None
}

fn client_certificates(fields: &Fields<'_, '_>, folder: &mut Folder<'_>) -> Option<ClientCertificates> {
    let wanted = fields.choice("client_certificate");
    let roots = fields.node("client_ca").map(|_| roots(fields, folder, "client_ca"));
    match (wanted, roots) {
        ("request" | "require", None) => {
            let what = format!("is `{wanted}`, and no `client_ca` says which are trusted");
            fields.refuse(fields.place_of("client_certificate"), "client_certificate", what, None);
            None
        }
        ("request", Some(roots)) => roots.map(ClientCertificates::Request),
        ("require", Some(roots)) => roots.map(ClientCertificates::Require),
        ("none", Some(_)) => {
            let message = fields.subject.say("client_ca", "has no effect: no certificate is asked for");
            let hint = "write `client_certificate: require`, or `request`";
            fields.faults.push(Fault::warning(fields.place_of("client_ca"), message).hint(hint));
            Some(ClientCertificates::None)
        }
        ("none", None) => Some(ClientCertificates::None),
        (_, _) => None,
    }
}

/// The certificates of a file, to be trusted.
fn roots(fields: &Fields<'_, '_>, folder: &mut Folder<'_>, name: &str) -> Option<Roots> {
    let file = File::read(fields, folder, name)?;
    let certificates = read_certificates(&file.bytes).map_err(|fault| file.refuse(fields, name, &fault)).ok()?;
    let roots = Roots::of(certificates);
    roots.map_err(|_| file.say(fields, name, "holds a certificate that cannot be read", None)).ok()
}

/// A chain and its key.
fn certificate(fields: &Fields<'_, '_>, folder: &mut Folder<'_>, chain_name: &str) -> Option<Placed<Certificate>> {
    let (chain, key) = (File::read(fields, folder, chain_name), File::read(fields, folder, "key"));
    let (chain, key) = (chain?, key?);
    folder.inputs.hold_secret(&key.path);
    warn_of_readers(fields, &key);
    match Certificate::read(&chain.written, &chain.bytes, &key.bytes) {
        Ok(certificate) => {
            for doubt in certificate.doubts(folder.now()) {
                warn(fields, chain_name, &chain, &doubt);
            }
            Some(Placed { value: certificate, place: chain.place })
        }
        Err(fault) => {
            let (file, name) = if fault.is_of_the_key() { (&key, "key") } else { (&chain, chain_name) };
            file.refuse(fields, name, &fault);
            None
        }
    }
}

fn warn(fields: &Fields<'_, '_>, name: &str, file: &File, doubt: &CertificateDoubt) {
    let (what, hint) = match doubt {
        CertificateDoubt::Expired(day) => (format!("expired on {day}"), "others will refuse it"),
        CertificateDoubt::NotYetValid(day) => {
            (format!("is not valid before {day}"), "others will refuse it; is the clock right?")
        }
        CertificateDoubt::Disordered(number) => (
            format!("has a certificate (number {number}) that the next one did not issue"),
            "write each one's issuer after it",
        ),
        CertificateDoubt::Nameless => {
            ("names no host".to_owned(), "clients look for the host in `subjectAltName`, and nowhere else")
        }
    };
    let message = fields.subject.say(name, format_args!("names `{}`, which {what}", file.path.display()));
    fields.faults.push(Fault::warning(file.place, message).hint(hint));
}

fn warn_of_readers(fields: &Fields<'_, '_>, key: &File) {
    let mode = std::fs::metadata(&key.path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & READ_BY_OTHERS != 0) {
        let message =
            fields.subject.say("key", format_args!("names `{}`, which everybody may read", key.path.display()));
        fields.faults.push(Fault::warning(key.place, message).hint(format!("`chmod o-r {}`", key.written)));
    }
}

/// Of two certificates for one name only the first is ever shown.
fn warn_of_same_names(fields: &Fields<'_, '_>, certificates: &[Placed<Certificate>]) {
    let mut places: HashMap<&str, Place> = HashMap::new();
    for Placed { value: certificate, place } in certificates {
        for name in certificate.names() {
            let first = *places.entry(name).or_insert(*place);
            if first != *place {
                let what = format_args!("has two certificates for `{name}`, and shows the first");
                let message = fields.subject.say("certificates", what);
                fields.faults.push(Fault::warning(*place, message).related(first, "the first"));
            }
        }
    }
}

fn set_up<T>(fields: &Fields<'_, '_>, made: Result<T, TlsFault>) -> Option<T> {
    let refused = |fault: TlsFault| {
        let hint = match fault {
            TlsFault::NoRoots => Some("write `ca`: the system has no certificates to trust".to_owned()),
            TlsFault::Refused(_) => None,
        };
        let cause = std::error::Error::source(&fault).map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = fields.subject.tell(format_args!("{fault}{cause}"));
        fields.faults.push(Fault::error(fields.place, message).hint_if(hint));
    };
    made.map_err(refused).ok()
}

/// A file that a key names, as it was read.
struct File {
    /// As the gateway file has it.
    written: String,
    place: Place,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl File {
    /// Reads the file that a key names; one that cannot be read is a fault.
    fn read(fields: &Fields<'_, '_>, folder: &mut Folder<'_>, name: &str) -> Option<Self> {
        let Placed { value: written, place } = fields.text(name)?;
        let path = folder.resolve(written);
        let bytes = folder.bytes(fields, name, place, &path)?;
        Some(Self { written: written.to_owned(), place, path, bytes })
    }

    fn refuse(&self, fields: &Fields<'_, '_>, name: &str, fault: &CertificateFault) {
        self.say(fields, name, &fault.to_string(), fault.hint());
    }

    fn say(&self, fields: &Fields<'_, '_>, name: &str, what: &str, hint: Option<String>) {
        let path: &Path = &self.path;
        let message = fields.subject.say(name, format_args!("names `{}`, which {what}", path.display()));
        fields.faults.push(Fault::error(self.place, message).hint_if(hint));
    }
}
