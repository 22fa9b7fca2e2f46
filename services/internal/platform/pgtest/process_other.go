//go:build !linux

package pgtest

import "syscall"

func processAttributes() (*syscall.SysProcAttr, error) { return &syscall.SysProcAttr{}, nil }

func giveToPostgres(string) error { return nil }
