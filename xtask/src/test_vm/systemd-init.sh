#!/bin/sh
# Hands the machine over to Debian's own init, which starts the unit that runs the tests.
hostname gantry-vm 2>/dev/null
chown -R -h 0:0 /vm
exec /sbin/init
