"""Dashboards as code, the JSON they make, and the Grafana that shows them."""
