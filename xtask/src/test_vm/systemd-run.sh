#!/bin/sh
# What the unit runs, when the system is up.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/vm/bin
export HOME=/root TERM=linux CI=true
. /vm/environment
. /vm/run
