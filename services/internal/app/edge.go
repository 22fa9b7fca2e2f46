package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/gen/openapi"
	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router"
)

// serveHTTP builds the HTTP edge: the router's dialects, REST for all
// services, the OpenAPI document, health.
func (a *App) serveHTTP(ctx context.Context, t *telemetry.Telemetry) error {
	rest, err := a.restGateway(ctx)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	a.router.Mount(mux, a.auth)
	mux.Handle("/api/v1/", rest)
	mux.HandleFunc("GET /openapi.json", serveOpenAPI)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		httpserver.WriteError(w, r, errs.New(reasonNoPath, "no API has the path %s; see /openapi.json", r.URL.Path))
	})
	a.http, err = httpserver.New(a.options.Config.HTTP, httpserver.Dependencies{Log: t.Log(), Telemetry: t}, mux)
	if err != nil {
		return err
	}
	for name, ready := range a.readiness {
		a.http.AddReadiness(name, ready)
	}
	if a.httpLis, err = a.http.Listen(ctx); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	a.closers.add("HTTP address", func(context.Context) error { return ignoreClosed(a.httpLis.Close()) })
	return nil
}

// restGateway translates REST into calls of the services, wherever they run.
// Each service authenticates the caller itself.
func (a *App) restGateway(ctx context.Context) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, restJSON),
		runtime.WithMarshalerOption(eventStream, restEvents{restJSON}),
		runtime.WithErrorHandler(restError),
		runtime.WithStreamErrorHandler(restStreamError),
		runtime.WithIncomingHeaderMatcher(restHeader),
		runtime.WithMetadata(restRequestID),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithDisablePathLengthFallback(),
	)
	for name, register := range map[string][]func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error{
		Router:    {registrar(routerv1.NewRouterServiceClient, routerv1.RegisterRouterServiceHandlerClient)},
		Guardrail: {registrar(guardrailv1.NewGuardrailServiceClient, guardrailv1.RegisterGuardrailServiceHandlerClient)},
		RAG:       {registrar(ragv1.NewRagServiceClient, ragv1.RegisterRagServiceHandlerClient)},
		Billing: {
			registrar(billingv1.NewBillingServiceClient, billingv1.RegisterBillingServiceHandlerClient),
			registrar(accountv1.NewAccountServiceClient, accountv1.RegisterAccountServiceHandlerClient),
		},
	} {
		for _, r := range register {
			if err := r(ctx, mux, a.peers[name].edge); err != nil {
				return nil, fmt.Errorf("register REST of %s: %w", name, err)
			}
		}
	}
	return refusingStreams(mux), nil
}

// registrar joins the two generated functions that put a service on the gateway.
func registrar[C any](client func(grpc.ClientConnInterface) C, register func(context.Context, *runtime.ServeMux, C) error) func(context.Context, *runtime.ServeMux, grpc.ClientConnInterface) error {
	return func(ctx context.Context, mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
		return register(ctx, mux, client(conn))
	}
}

// restHeader passes the key on and nothing else: metadata that services
// trust must not come from a client.
func restHeader(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "authorization", "x-api-key":
		return strings.ToLower(name), true
	default:
		return "", false
	}
}

// restRequestID names the request in the ledger as the edge named it in the answer.
func restRequestID(ctx context.Context, _ *http.Request) metadata.MD {
	return metadata.Pairs(router.MetadataRequestID, httpserver.RequestID(ctx))
}

// restError writes an error as google.rpc.Status, with the HTTP status of its reason.
func restError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, r *http.Request, err error) {
	e := restReason(r.Context(), err)
	httpserver.SetRetryAfter(w.Header(), e)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.HTTPStatus())
	body, err := restJSON.Marshal(e.GRPCStatus().Proto())
	if err != nil {
		body = []byte(`{"code":13,"message":"internal error"}`)
	}
	_, _ = w.Write(body) // the client has gone
}

// restReason gives the gateway's own errors (unknown path, malformed JSON) a
// reason too. Of a request that a shutdown cuts off, the call only knows that it
// was cancelled; the request's context knows why.
func restReason(ctx context.Context, err error) *errs.Error {
	var cut *errs.Error
	if errs.Is(err, reasonCancelled) && errors.As(context.Cause(ctx), &cut) {
		return cut
	}
	if st, ok := status.FromError(err); ok && len(st.Details()) == 0 {
		if reason, ok := gatewayReasons[st.Code()]; ok {
			return errs.New(reason, "%s", st.Message())
		}
	}
	return errs.From(err)
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi.JSON) // the client has gone
}
