//go:build !linux

package daemontest

import "syscall"

func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
