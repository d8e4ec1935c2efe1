#!/bin/sh
# Starts the guard: now, and at every boot of this box.
systemctl daemon-reload
systemctl enable spotbox-guard.service
systemctl --no-block restart spotbox-guard.service
