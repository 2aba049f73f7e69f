"""Tell neutron that an Open vSwitch agent is alive on this host, so that it binds ports: there is no switch here."""

import sys
import time

import eventlet

eventlet.monkey_patch()

from neutron.agent import rpc  # noqa: E402
from neutron.common import config  # noqa: E402
from neutron.conf.agent import common  # noqa: E402
from neutron_lib import context  # noqa: E402
from neutron_lib.agent import topics  # noqa: E402
from oslo_config import cfg  # noqa: E402

config.register_common_config_options()
common.register_agent_state_opts_helper(cfg.CONF)
config.init(sys.argv[1:])
agent = {
    "agent_type": "Open vSwitch agent",
    "binary": "neutron-openvswitch-agent",
    "host": "openstack",
    "topic": "N/A",
    "start_flag": True,
    "configurations": {"bridge_mappings": {}, "tunnel_types": [], "datapath_type": "system", "ovs_hybrid_plug": False},
}
while True:
    try:
        rpc.PluginReportStateAPI(topics.REPORTS).report_state(
            context.get_admin_context_without_session(), agent, use_call=True
        )
        agent.pop("start_flag", None)
    except Exception as error:  # RabbitMQ may be away for a while: that is tried
        print(error, flush=True)
    time.sleep(10)
