//! scopegate: a reverse proxy that enforces OAuth scopes per route and method.
//!
//! A scope limits what an application may do with a user's account and never adds to what the user's roles allow. The
//! rooms below import only downwards: `cli` → `demo`, `doctor` → `app` → `config` → `gateway`, `admin` → `verify`, `directory`,
//! `traces` → `telemetry` → `policy` → `token` → `scope`, `net`, `clock`.

pub mod admin;
pub mod app;
pub mod authorization_server;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod directory;
pub mod doctor;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gateway;
pub mod net;
pub mod pages;
pub mod policy;
pub mod sample_api;
pub mod scope;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod traces;
pub mod verify;
