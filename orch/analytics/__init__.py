"""Figures over time: sampled, rolled up and stored; forecasts, anomalies and insights from them."""
