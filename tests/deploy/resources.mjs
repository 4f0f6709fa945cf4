// Validates resources of the Prometheus operator, a JSON array on standard input, against the schemas of its definitions; prints faults.
import { readFileSync } from "node:fs";
import { PrometheusRule, ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const kinds = { PrometheusRule, ServiceMonitor };
for (const resource of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new kinds[resource.kind](resource).validate();
  } catch (fault) {
    console.log(`${resource.kind}: ${fault.message}`);
  }
}
