<?php
#
# PNP4Nagios template of the EGI Federated Cloud probes: values of one kind in one graph, with their limits.
#
# PNP looks for a template named as the check command. fedcloud-ncg names its commands fedcloud-check_occi_vm and so on:
# link this file under each of these names in PNP's directory `templates`; see docs/dashboards.md.
#
# $this->DS has one entry for each label: NAME, UNIT, ACT, WARN, CRIT, RRDFILE, DS (number of the data source).
#
$colours = array('#1f77b4', '#ff7f0e', '#2ca02c', '#9467bd', '#8c564b', '#e377c2', '#7f7f7f', '#17becf');
$kinds = array();
foreach ($this->DS as $value) {
    if ($value['UNIT'] == 's' && preg_match('/age|left|lifetime/', $value['NAME'])) {
        $kind = 'Ages (days)';
    } elseif ($value['UNIT'] == 's') {
        $kind = 'Times (seconds)';
    } elseif ($value['UNIT'] == 'B') {
        $kind = 'Sizes (bytes)';
    } else {
        $kind = 'Numbers';
    }
    $kinds[$kind][] = $value;
}

$graph = 0;
foreach ($kinds as $kind => $values) {
    $graph++;
    $ds_name[$graph] = $kind;
    $opt[$graph] = '--width 500 --vertical-label ' . escapeshellarg($kind)
        . ' --title ' . escapeshellarg($this->MACRO['DISP_HOSTNAME'] . ' / ' . $this->MACRO['DISP_SERVICEDESC']);
    $def[$graph] = '';
    foreach ($values as $index => $value) {
        $name = 'v' . $graph . '_' . $index;
        $colour = $colours[$index % count($colours)];
        # a label is snake_case; what is none of ours is made harmless for rrdtool
        $label = preg_replace('/[^A-Za-z0-9_. -]/', '_', $value['NAME']);
        $scale = $kind == 'Ages (days)' ? 86400 : 1;
        $def[$graph] .= 'DEF:' . $name . '=' . $value['RRDFILE'] . ':' . $value['DS'] . ':AVERAGE '
            . 'CDEF:' . $name . 's=' . $name . ',' . $scale . ',/ '
            . 'LINE1:' . $name . 's' . $colour . ':' . escapeshellarg(sprintf('%-22s', $label)) . ' '
            . 'GPRINT:' . $name . 's:LAST:' . escapeshellarg('last%7.2lf%s') . ' '
            . 'GPRINT:' . $name . 's:AVERAGE:' . escapeshellarg('avg%7.2lf%s') . ' '
            . 'GPRINT:' . $name . 's:MAX:' . escapeshellarg('max%7.2lf%s\n') . ' ';
        foreach (array('WARN' => '#ffcc00', 'CRIT' => '#ff0000') as $limit => $red) {
            # PNP has a plain number here, and nothing for a range
            if (isset($value[$limit]) && is_numeric($value[$limit])) {
                $def[$graph] .= 'HRULE:' . ($value[$limit] / $scale) . $red . ' ';
            }
        }
    }
}
?>
