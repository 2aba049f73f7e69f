"""`fedcloud-availability`: from a monitor's results to availability, reliability, and what lowered them.

result_import.py  what is read, judged and counted on its way to the store
nagios.py         Nagios' log, its archives, and the states it retains
messages.py       results as fedcloud-publish sends them
argo.py           ARGO's metric data, in Avro
icinga.py         Icinga's event stream, and the file of its state
sensu.py          events of Sensu
command.py        options, and what each command does
page.py           figures and timelines as one HTML page
report.py         figures and outages as tables, JSON, CSV and for Prometheus
"""
