"""fedcloud-ncg: from the GOCDB and the catalogue of metrics to the configuration of a monitor.

program -> inventory (what is to be asked) -> configuration (templates) -> validation -> place
"""
