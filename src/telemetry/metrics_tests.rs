use std::time::Duration;

use super::connection_labels::{ConnectionError, ConnectionProtocol, UpstreamFailure};
use super::labels::{CacheResult, FetchResult, ReloadResult, TokenLabel};
use super::{Metrics, REVISION, VERSION};

const NOW: Duration = Duration::from_secs(1_790_000_000);

/// The value of one sample, `name{labels}` spelt as in the text.
fn value(text: &str, sample: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_new_registry_shows_every_closed_list_at_zero() {
    let text = Metrics::new().render(NOW);
    for sample in [
        "scopegate_requests_in_flight",
        "scopegate_connection_errors_total{kind=\"panic\"}",
        "scopegate_connection_errors_total{kind=\"header_timeout\"}",
        "scopegate_token_cache_entries",
        "scopegate_token_cache_lookups_total{result=\"hit\"}",
        "scopegate_reload_total{result=\"failed\"}",
        "scopegate_decision_duration_seconds_count{token=\"none\"}",
        "scopegate_log_lines_dropped_total",
    ] {
        assert_eq!(value(&text, sample), Some(0.0), "{sample}\n{text}");
    }
    assert_eq!(
        value(&text, &format!("scopegate_build_info{{revision=\"{REVISION}\",version=\"{VERSION}\"}}")),
        Some(1.0)
    );
    assert!(value(&text, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 0.0), "{text}");
}

#[test]
fn what_is_counted_is_shown() {
    let metrics = Metrics::new();
    metrics.in_flight(3);
    metrics.in_flight(-1);
    metrics.connection("127.0.0.1:8080", ConnectionProtocol::Http1, 2);
    metrics.connection_error(ConnectionError::Parse);
    metrics.token_lookup(CacheResult::Stale);
    metrics.token_entries(7);
    metrics.decision(TokenLabel::Jwt, Duration::from_micros(40));
    metrics.reload(ReloadResult::Ok, NOW);
    metrics.reload(ReloadResult::Failed, NOW + Duration::from_secs(9));
    metrics.log_dropped();
    let automations = metrics.upstream("automations");
    automations.connections(4);
    automations.failure(UpstreamFailure::ConnectTimeout);
    metrics.upstream("automations").failure(UpstreamFailure::ConnectTimeout);
    let text = metrics.render(NOW);
    for (sample, expected) in [
        ("scopegate_requests_in_flight", 2.0),
        ("scopegate_connections{listener=\"127.0.0.1:8080\",protocol=\"http1\"}", 2.0),
        ("scopegate_connection_errors_total{kind=\"parse\"}", 1.0),
        ("scopegate_token_cache_lookups_total{result=\"stale\"}", 1.0),
        ("scopegate_token_cache_entries", 7.0),
        ("scopegate_decision_duration_seconds_bucket{token=\"jwt\",le=\"0.000025\"}", 0.0),
        ("scopegate_decision_duration_seconds_bucket{token=\"jwt\",le=\"0.00005\"}", 1.0),
        ("scopegate_reload_total{result=\"ok\"}", 1.0),
        ("scopegate_reload_total{result=\"failed\"}", 1.0),
        ("scopegate_reload_last_success_timestamp_seconds", 1_790_000_000.0),
        ("scopegate_log_lines_dropped_total", 1.0),
        ("scopegate_upstream_connections{upstream=\"automations\"}", 4.0),
        ("scopegate_upstream_failures_total{kind=\"connect_timeout\",upstream=\"automations\"}", 2.0),
    ] {
        assert_eq!(value(&text, sample), Some(expected), "{sample}\n{text}");
    }
}

#[test]
fn the_age_of_keys_is_right_when_it_is_asked_for() {
    let metrics = Metrics::new();
    let issuer = "https://idp.example.com/";
    metrics.keys(issuer, 0, None, NOW);
    let age = format!("scopegate_keys_age_seconds{{issuer=\"{issuer}\"}}");
    assert_eq!(value(&metrics.render(NOW), &age), None, "an issuer without keys has no age");

    metrics.keys(issuer, 2, Some(Duration::from_secs(5)), NOW);
    metrics.keys_fetch(issuer, FetchResult::Ok);
    let later = metrics.render(NOW + Duration::from_secs(60));
    assert_eq!(value(&later, &age), Some(65.0));
    assert_eq!(value(&later, &format!("scopegate_keys{{issuer=\"{issuer}\"}}")), Some(2.0));
    assert_eq!(value(&later, &format!("scopegate_keys_fetch_total{{issuer=\"{issuer}\",result=\"ok\"}}")), Some(1.0));

    metrics.forget_issuer(issuer);
    assert!(!metrics.render(NOW).contains(issuer));
}
