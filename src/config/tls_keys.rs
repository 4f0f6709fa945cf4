//! The keys of `tls` in a gateway file.

use super::keys::{Key, Shape};

pub(super) static LISTENER: &[Key] = &[
    Key::new(
        "certificates",
        Shape::List(&Shape::Section(CERTIFICATE)),
        "Its certificates, chosen by the name that a client asks for; the first is for everybody else",
    )
    .required(),
    Key::new("min_version", Shape::Choice(&["1.2", "1.3"]), "The least version of TLS that is spoken").default("1.2"),
    Key::new(
        "client_ca",
        Shape::Text,
        "Certificates (PEM), relative to this file, to one of which a client's certificate must lead up",
    ),
    Key::new(
        "client_certificate",
        Shape::Choice(&["none", "request", "require"]),
        "Whether clients are asked for a certificate; with `request` they may have none, but no bad one",
    )
    .default("none"),
];

pub(super) static CERTIFICATE: &[Key] = &[
    Key::new(
        "chain",
        Shape::Text,
        "The certificate (PEM), relative to this file, and after it those that lead up to a root",
    )
    .required(),
    Key::new("key", Shape::Text, "Its private key (PEM, unencrypted), relative to this file").required(),
];

pub(super) static UPSTREAM: &[Key] = &[
    Key::new("ca", Shape::Text, "Certificates (PEM), relative to this file, that are trusted instead of the system's"),
    Key::new("server_name", Shape::Text, "The name that its certificate must have instead of the endpoint's host"),
    Key::new("certificate", Shape::Text, "The certificate (PEM, with its chain) that it is shown if it asks for one"),
    Key::new("key", Shape::Text, "The private key of that certificate (PEM, unencrypted)"),
];
