//! Collects this process's metrics and shows them in Prometheus's text form.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds of durations: from a call that the log takes at once to one that waits for a restart.
const SECONDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts collecting, for all services of this process. Further calls change nothing. What was counted before the first
/// one is lost, so a program calls it before it starts its services.
pub fn install() {
    handle();
}

/// Everything collected so far.
pub fn render() -> String {
    handle().render()
}

/// Makes room in memory for further observations. Called every few seconds.
pub(crate) fn upkeep() {
    handle().run_upkeep();
}

fn handle() -> &'static PrometheusHandle {
    HANDLE.get_or_init(|| {
        let durations = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(durations, &SECONDS);
        let recorder = builder.expect("the bounds are not empty").build_recorder();
        let handle = recorder.handle();
        // Whoever installed another recorder collects there; then this one stays empty.
        let _other_recorder = metrics::set_global_recorder(recorder);
        handle
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_counted_is_shown() {
        super::install();
        super::install();
        metrics::counter!("ingress_test_counted_total").increment(3);
        metrics::histogram!("ingress_test_seconds").record(0.002);
        let shown = super::render();
        assert!(shown.contains("ingress_test_counted_total 3"), "{shown}");
        assert!(shown.contains("ingress_test_seconds_bucket{le=\"0.0025\"} 1"), "{shown}");
    }
}
