module github.com/tollgate/tollgate/gen

go 1.26.0
