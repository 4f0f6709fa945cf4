use std::time::Duration;

use super::load_tests::GATEWAY;
use super::{Gateway, load_gateway, load_gateway_with_inputs};
use crate::verify::{
    ClientAuthentication, ClientKey, ClientProof, ClientSecret, IntrospectionSettings, KeyAddress, KeySource,
};

const POLICY: &str = "routes: [{path: /health, upstream: automations, methods: {GET: public}}]";

struct Files(tempfile::TempDir);

impl Files {
    /// Files beside a gateway file whose issuer has these members in place of its keys.
    fn new(members: &str, files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let gateway = GATEWAY.replace("keys: {file: jwks.json}", members);
        for (name, text) in files.iter().chain(&[("scopegate.yaml", gateway.as_str()), ("routes.yaml", POLICY)]) {
            std::fs::write(folder.0.path().join(name), text).unwrap();
        }
        folder
    }

    fn gateway(&self) -> Gateway {
        load_gateway(&self.0.path().join("scopegate.yaml")).unwrap()
    }

    fn introspection(&self) -> IntrospectionSettings {
        self.gateway().issuers[0].introspection.clone().unwrap()
    }
}

#[test]
fn what_is_not_written_has_its_default() {
    let members = "keys: {discovery: true}\n    introspection: {client_id: gateway, client_secret: {file: secret}}";
    let files = Files::new(members, &[("secret", "s3cret\n")]);
    let KeySource::Remote { address, .. } = files.gateway().issuers[0].keys.clone() else {
        panic!("they are elsewhere")
    };
    assert_eq!(address, KeyAddress::Discovery { insecure_http: false });
    let expected = IntrospectionSettings {
        prefix: None,
        url: None,
        insecure_http: false,
        client: ClientAuthentication {
            client_id: "gateway".into(),
            proof: ClientProof::Secret(ClientSecret("s3cret".into())),
        },
        cache: Duration::from_secs(30),
        timeout: Duration::from_secs(2),
        ca: None,
    };
    assert_eq!(files.introspection(), expected);
    assert!(!format!("{expected:?}").contains("s3cret"));
}

#[test]
fn every_key_is_read_where_it_is_written() {
    let members = "keys: {url: http://idp.internal/jwks, insecure_http: true}
    introspection:
      prefix: opq_
      url: http://idp.internal/introspect
      insecure_http: true
      client_id: gateway
      private_key: {file: key.pem}
      cache: 0s
      timeout: 1s
      ca: ca.pem";
    let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let files = Files::new(members, &[("key.pem", &pem), ("ca.pem", "-")]);
    let key = ClientKey::read(pem.as_bytes()).unwrap();
    let expected = IntrospectionSettings {
        prefix: Some("opq_".into()),
        url: Some("http://idp.internal/introspect".parse().unwrap()),
        insecure_http: true,
        client: ClientAuthentication { client_id: "gateway".into(), proof: ClientProof::Key(key) },
        cache: Duration::ZERO,
        timeout: Duration::from_secs(1),
        ca: Some(files.0.path().join("ca.pem")),
    };
    assert_eq!(files.introspection(), expected);
    let (_, inputs) = load_gateway_with_inputs(&files.0.path().join("scopegate.yaml"));
    for read in ["key.pem", "ca.pem"] {
        assert!(inputs.files().any(|path| path == files.0.path().join(read)), "a change of `{read}` is a reload");
    }
    let before = files.introspection();
    std::fs::write(files.0.path().join("key.pem"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert_ne!(files.introspection(), before, "another key is another issuer in force");
}
