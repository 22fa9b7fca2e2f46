module github.com/tollgate/tollgate/bench

go 1.26.0
