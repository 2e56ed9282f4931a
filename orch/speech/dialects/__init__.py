"""The APIs of single vendors, each as requests and what their responses mean."""
