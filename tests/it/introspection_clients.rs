//! As whom the gateway asks about a token: its secret or its key, and that neither is shown.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{self, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::introspection::{SECRET, good, outcome, refused, start, unavailable};
use crate::support::{ForeignServer, INTROSPECTION, ISSUER, Reply, form, form_decoded, now};

#[test]
fn rfc_6749_section_2_3_1_id_and_secret_are_encoded_before_they_are_joined() {
    let server = ForeignServer::start();
    let (id, secret) = ("https://gate:way/?a=b c&ü", "p:w%+/=&~\u{7e}!");
    let gateway = start(&server, &format!("client_id: '{id}', client_secret: '{secret}'"), "");
    server.issue("opaque-1", "items:read", &json!({}));
    assert_eq!(outcome(&gateway, "opaque-1"), good());
    let question = server.asked(INTROSPECTION).remove(0);
    let credentials = question.field("authorization").unwrap().strip_prefix("Basic ").unwrap().to_owned();
    let pair = String::from_utf8(BASE64_STANDARD.decode(credentials).unwrap()).unwrap();
    let (left, right) = pair.split_once(':').unwrap();
    assert_eq!((form_decoded(left).as_str(), form_decoded(right).as_str()), (id, secret));
    assert!(pair.is_ascii() && !right.contains([':', '+', '/']), "{pair}");
}

/// Verifies a JWS with a public key, and gives its claims.
fn verified(assertion: &str, algorithm: &'static dyn VerificationAlgorithm, public: &[u8]) -> Value {
    let (signed, mark) = assertion.rsplit_once('.').unwrap();
    let mark = BASE64_URL_SAFE_NO_PAD.decode(mark).unwrap();
    UnparsedPublicKey::new(algorithm, public).verify(signed.as_bytes(), &mark).unwrap();
    let (_, claims) = signed.split_once('.').unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
}

/// Every key type: name, PEM, algorithm to verify with, public key.
fn keys() -> Vec<(&'static str, String, &'static dyn VerificationAlgorithm, Vec<u8>)> {
    let ec = signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ed = signature::Ed25519KeyPair::generate().unwrap();
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der = |document: Result<_, _>| -> Vec<u8> {
        let document: aws_lc_rs::pkcs8::Document = document.unwrap();
        document.as_ref().to_vec()
    };
    vec![
        (
            "ES256",
            pem("PRIVATE KEY", &der(ec.to_pkcs8v1())),
            &signature::ECDSA_P256_SHA256_FIXED,
            ec.public_key().as_ref().into(),
        ),
        ("EdDSA", pem("PRIVATE KEY", &der(ed.to_pkcs8())), &signature::ED25519, ed.public_key().as_ref().into()),
        ("EdDSA", pem("PRIVATE KEY", &der(ed.to_pkcs8v1())), &signature::ED25519, ed.public_key().as_ref().into()),
        (
            "RS256",
            pem(
                "PRIVATE KEY",
                aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref(),
            ),
            &signature::RSA_PKCS1_2048_8192_SHA256,
            rsa.public_key().as_ref().into(),
        ),
    ]
}

#[test]
fn rfc_7523_section_3_an_assertion_is_signed_for_this_server_now_and_once() {
    let server = ForeignServer::start();
    let members = "client_id: gateway, private_key: {file: key.pem}";
    let gateway = start(&server, SECRET, "");
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let mut ids = BTreeSet::new();
    for (number, (name, pem, algorithm, public)) in keys().into_iter().enumerate() {
        gateway.write("key.pem", &pem);
        gateway.write("scopegate.yaml", &file.replace(SECRET, members));
        assert_eq!(gateway.ask("POST", "/reload").status, 200);
        for question in 0..2 {
            let token = format!("opaque-{number}-{question}");
            server.issue(&token, "items:read", &json!({}));
            assert_eq!(outcome(&gateway, &token), good());
            let message = server.asked(INTROSPECTION).pop().unwrap();
            assert_eq!(message.field("authorization"), None);
            let asked = form(&message);
            assert_eq!(asked["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            assert_eq!((asked["client_id"].as_str(), asked["token"].as_str()), ("gateway", token.as_str()));
            let assertion = &asked["client_assertion"];
            let header = BASE64_URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
            let header: Value = serde_json::from_slice(&header).unwrap();
            assert_eq!(header["alg"], name);
            let claims = verified(assertion, algorithm, &public);
            assert_eq!(
                (&claims["iss"], &claims["sub"], &claims["aud"]),
                (&"gateway".into(), &"gateway".into(), &ISSUER.into())
            );
            let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
            assert!(iat <= now() && now() - iat < 30 && exp > now() && exp - iat <= 60, "{claims}");
            assert!(ids.insert(claims["jti"].as_str().unwrap().to_owned()), "an assertion was used twice");
        }
    }
}

#[test]
fn a_question_that_is_sent_again_has_another_assertion() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "");
    let file = std::fs::read_to_string(gateway.folder.path().join("scopegate.yaml")).unwrap();
    let (name, pem, algorithm, public) = keys().swap_remove(0);
    gateway.write("key.pem", &pem);
    gateway.write("scopegate.yaml", &file.replace(SECRET, "client_id: gateway, private_key: {file: key.pem}"));
    assert_eq!(gateway.ask("POST", "/reload").status, 200);
    server.issue("opaque-1", "items:read", &json!({}));
    assert_eq!(outcome(&gateway, "opaque-1"), good());
    // The connection is kept, and dies over the next question; so does the new one.
    server.reply(INTROSPECTION, Reply::Dead);
    assert_eq!(outcome(&gateway, "opaque-2"), unavailable());
    let asked: Vec<_> = server.asked(INTROSPECTION).iter().map(form).collect();
    assert_eq!(asked.iter().map(|form| &form["token"]).collect::<Vec<_>>(), ["opaque-1", "opaque-2", "opaque-2"]);
    let id = |assertion: &String| verified(assertion, algorithm, &public)["jti"].as_str().unwrap().to_owned();
    let ids: BTreeSet<_> = asked.iter().map(|form| id(&form["client_assertion"])).collect();
    assert_eq!(ids.len(), 3, "{name}");
}

#[test]
fn neither_token_nor_secret_is_written_anywhere() {
    let server = ForeignServer::start();
    let gateway = start(&server, SECRET, "log: {level: trace, access: all}");
    server.issue("opaque-token-of-a-user", "items:read", &json!({}));
    assert_eq!(outcome(&gateway, "opaque-token-of-a-user"), good());
    assert_eq!(outcome(&gateway, "opaque-token-of-nobody"), refused("inactive"));
    server.reply(INTROSPECTION, Reply::Status(500));
    assert_eq!(outcome(&gateway, "opaque-token-in-an-outage"), unavailable());
    let response = gateway.client().get("/items/7", "opaque-token-in-an-outage");
    let written = [
        serde_json::to_string(&gateway.log()).unwrap(),
        gateway.ask("GET", "/metrics").text(),
        gateway.ask("GET", "/readyz").text(),
        response.text(),
    ];
    for text in written {
        assert!(!text.contains("opaque-token") && !text.contains("s3cret"), "{text}");
    }
}
