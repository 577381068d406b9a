// Makes the calls that Metal3's baremetal-operator makes, with the library that it makes them with, and prints a
// line of JSON for each: {"call": ..., "value": ...} or {"call": ..., "status": N, "error": ...}.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/allocations"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/conductors"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/drivers"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/nodes"
	"github.com/gophercloud/gophercloud/v2/openstack/baremetal/v1/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"
)

const (
	hostName   = "metal3~host-0"
	macAddress = "52:54:00:00:0a:01"
	vif        = "7f1c1a52-3f3b-4a4e-9c39-3a8e21d2ea11"
)

var (
	ctx   context.Context
	lines = json.NewEncoder(os.Stdout)
)

func main() {
	limited, cancel := context.WithTimeout(context.Background(), 80*time.Second)
	defer cancel()
	ctx = limited
	admin, owner, stranger := connect("leasehold"), connect("owner"), connect("stranger")
	readiness(admin)
	host := enrol(owner)
	bareNode(admin, owner, stranger, host)
	settings(owner, host)
	deployment(owner, host)
	attachments(owner, host)
	adoption(admin, owner, host)
	passthru(admin, host)
	allocation(owner)
	removal(owner, host)
}

func connect(cloud string) *gophercloud.ServiceClient {
	auth, endpoint, tls, err := clouds.Parse(clouds.WithCloudName(cloud), clouds.WithLocations(os.Args[1]))
	must(err)
	provider, err := config.NewProviderClient(ctx, auth, config.WithTLSConfig(tls))
	must(err)
	client, err := openstack.NewBareMetalV1(provider, endpoint)
	must(err)
	client.Microversion = "1.81"
	return client
}

// At a newer microversion, as the operator does for what needs it.
func at(client *gophercloud.ServiceClient, microversion string) *gophercloud.ServiceClient {
	newer := *client
	newer.Microversion = microversion
	return &newer
}

// Is there a conductor with the driver?
func readiness(admin *gophercloud.ServiceClient) {
	call("drivers list", func() (any, error) {
		pages, err := drivers.ListDrivers(admin, drivers.ListDriversOpts{Detail: true}).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return drivers.ExtractDrivers(pages)
	})
	call("driver details", func() (any, error) { return drivers.GetDriverDetails(ctx, admin, "fake-hardware").Extract() })
	call("driver properties", func() (any, error) { return drivers.GetDriverProperties(ctx, admin, "ipmi").Extract() })
	call("driver disk properties", func() (any, error) {
		return drivers.GetDriverDiskProperties(ctx, admin, "fake-hardware").Extract()
	})
	call("conductors list", func() (any, error) {
		pages, err := conductors.List(admin, conductors.ListOpts{Detail: true}).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return conductors.ExtractConductors(pages)
	})
}

// A host appears: its node is looked for by name and by MAC, made with a port, and managed.
func enrol(owner *gophercloud.ServiceClient) string {
	call("node absent", func() (any, error) { return nodes.Get(ctx, owner, hostName).Extract() })
	call("port absent", func() (any, error) { return portsOf(owner, ports.ListOpts{Address: macAddress}) })
	automatedClean := true
	made := call("node create", func() (any, error) {
		return nodes.Create(ctx, owner, nodes.CreateOpts{
			Driver:              "fake-hardware",
			Name:                hostName,
			BootInterface:       "fake",
			DeployInterface:     "fake",
			InspectInterface:    "fake",
			ManagementInterface: "fake",
			PowerInterface:      "fake",
			RAIDInterface:       "fake",
			VendorInterface:     "fake",
			AutomatedClean:      &automatedClean,
			DriverInfo:          map[string]any{"deploy_kernel": "http://127.0.0.1/kernel"},
			Properties:          map[string]any{"capabilities": "boot_mode:uefi", "cpu_arch": "x86_64"},
			Extra:               map[string]any{"metal3": "host-0"},
		}).Extract()
	})
	node, ok := made.(*nodes.Node)
	if !ok {
		os.Exit(1)
	}
	pxe := true
	call("port create", func() (any, error) {
		return ports.Create(ctx, owner, ports.CreateOpts{
			NodeUUID: node.UUID, Address: macAddress, PXEEnabled: &pxe,
			LocalLinkConnection: map[string]any{"switch_id": "0a:1b:2c:3d:4e:5f", "port_id": "Ethernet1", "switch_info": "sw1"},
		}).Extract()
	})
	call("port by address", func() (any, error) { return portsOf(owner, ports.ListOpts{Address: macAddress}) })
	call("ports of node", func() (any, error) { return portsOf(owner, ports.ListOpts{NodeUUID: node.UUID}) })
	call("node update", func() (any, error) {
		return nodes.Update(ctx, owner, node.UUID, nodes.UpdateOpts{
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/driver_info/deploy_ramdisk", Value: "http://127.0.0.1/ramdisk"},
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/properties/root_device", Value: map[string]any{"name": "s== /dev/sda"}},
			nodes.UpdateOperation{Op: nodes.RemoveOp, Path: "/driver_info/deploy_kernel"},
		}).Extract()
	})
	provision(owner, node.UUID, "manage", nodes.ProvisionStateOpts{Target: nodes.TargetManage}, nodes.Manageable)
	call("node list", func() (any, error) {
		pages, err := nodes.List(owner, nodes.ListOpts{Fields: []string{"uuid", "name", "provision_state", "driver_info"}}).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return nodes.ExtractNodes(pages)
	})
	return node.UUID
}

// What the operator asks of a node that is managed: power, boot device, maintenance, inspection.
func bareNode(admin, owner, stranger *gophercloud.ServiceClient, id string) {
	call("node of another tenant", func() (any, error) { return nodes.Get(ctx, stranger, id).Extract() })
	withoutCleaning := nodes.UpdateOpts{nodes.UpdateOperation{Op: nodes.ReplaceOp, Path: "/automated_clean", Value: false}}
	call("cleaning is not the owner's to turn off", func() (any, error) {
		return nodes.Update(ctx, owner, id, withoutCleaning).Extract()
	})
	call("cleaning off", func() (any, error) { return nodes.Update(ctx, admin, id, withoutCleaning).Extract() })
	call("validate", func() (any, error) { return nodes.Validate(ctx, owner, id).Extract() })
	done("power on", func() error {
		return nodes.ChangePowerState(ctx, owner, id, nodes.PowerStateOpts{Target: nodes.PowerOn}).ExtractErr()
	})
	until("power on", owner, id, func(node *nodes.Node) bool { return node.PowerState == "power on" })
	done("soft power off", func() error {
		return nodes.ChangePowerState(ctx, owner, id, nodes.PowerStateOpts{Target: nodes.SoftPowerOff, Timeout: 30}).ExtractErr()
	})
	until("soft power off", owner, id, func(node *nodes.Node) bool { return node.PowerState == "power off" })
	call("supported boot devices", func() (any, error) { return nodes.GetSupportedBootDevices(ctx, owner, id).Extract() })
	done("set boot device", func() error {
		return nodes.SetBootDevice(ctx, owner, id, nodes.BootDeviceOpts{BootDevice: "disk", Persistent: true}).ExtractErr()
	})
	call("boot device", func() (any, error) { return nodes.GetBootDevice(ctx, owner, id).Extract() })
	done("NMI", func() error { return nodes.InjectNMI(ctx, owner, id).ExtractErr() })
	done("set maintenance", func() error {
		return nodes.SetMaintenance(ctx, owner, id, nodes.MaintenanceOpts{Reason: "host is detached"}).ExtractErr()
	})
	call("in maintenance", func() (any, error) { return nodes.Get(ctx, owner, id).Extract() })
	done("unset maintenance", func() error { return nodes.UnsetMaintenance(ctx, owner, id).ExtractErr() })
	provision(owner, id, "inspect", nodes.ProvisionStateOpts{Target: nodes.TargetInspect}, nodes.Manageable)
	call("inventory", func() (any, error) { return nodes.GetInventory(ctx, owner, id).Extract() })
	call("inventory, plugin data", func() (any, error) {
		data, err := nodes.GetInventory(ctx, owner, id).Extract()
		if err != nil {
			return nil, err
		}
		return data.PluginData.AsMap()
	})
}

// Preparing: RAID, BIOS and firmware are set by cleaning steps.
func settings(owner *gophercloud.ServiceClient, id string) {
	size := 50
	root := true
	done("RAID config", func() error {
		return nodes.SetRAIDConfig(ctx, owner, id, nodes.RAIDConfigOpts{LogicalDisks: []nodes.LogicalDisk{
			{SizeGB: &size, RAIDLevel: nodes.RAID1, VolumeName: "root", IsRootVolume: &root},
			{RAIDLevel: nodes.RAID0},
		}}).ExtractErr()
	})
	provision(at(owner, "1.86"), id, "clean", nodes.ProvisionStateOpts{Target: nodes.TargetClean, CleanSteps: []nodes.CleanStep{
		{Interface: nodes.InterfaceRAID, Step: "delete_configuration"},
		{Interface: nodes.InterfaceRAID, Step: "create_configuration"},
		{Interface: nodes.InterfaceBIOS, Step: "apply_configuration", Args: map[string]any{
			"settings": []map[string]any{{"name": "ProcTurboMode", "value": "Disabled"}},
		}},
		{Interface: nodes.InterfaceFirmware, Step: "update", Args: map[string]any{
			"settings": []map[string]string{{"component": "bmc", "url": "http://127.0.0.1/bmc-2.1.0.bin"}},
		}},
	}}, nodes.Manageable)
	call("RAID is there", func() (any, error) { return nodes.Get(ctx, owner, id).Extract() })
	call("BIOS settings", func() (any, error) {
		return nodes.ListBIOSSettings(ctx, owner, id, nodes.ListBIOSSettingsOpts{Detail: true}).Extract()
	})
	call("BIOS setting", func() (any, error) {
		// Its Extract wants a key "Setting"; the key is the setting's name, in Ironic as here.
		var body map[string]nodes.BIOSSetting
		err := nodes.GetBIOSSetting(ctx, owner, id, "ProcTurboMode").ExtractInto(&body)
		return body["ProcTurboMode"], err
	})
	call("firmware", func() (any, error) { return nodes.ListFirmware(ctx, at(owner, "1.86"), id).Extract() })
}

// A host gets an image, is serviced, rescued and freed again.
func deployment(owner *gophercloud.ServiceClient, id string) {
	provision(owner, id, "provide", nodes.ProvisionStateOpts{Target: nodes.TargetProvide}, nodes.Available)
	call("instance", func() (any, error) {
		return nodes.Update(ctx, owner, id, nodes.UpdateOpts{
			nodes.UpdateOperation{Op: nodes.ReplaceOp, Path: "/instance_uuid", Value: "3f1bd3bb-3a24-4a6a-a7f3-0d1a65a5ab2b"},
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/instance_info/image_source", Value: "http://127.0.0.1/image.qcow2"},
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/instance_info/image_os_hash_algo", Value: "sha256"},
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/instance_info/image_os_hash_value", Value: "e3b0c442"},
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/instance_info/capabilities", Value: map[string]string{"boot_option": "local"}},
		}).Extract()
	})
	call("validate to deploy", func() (any, error) { return nodes.Validate(ctx, owner, id).Extract() })
	provision(owner, id, "active", nodes.ProvisionStateOpts{Target: nodes.TargetActive, ConfigDrive: nodes.ConfigDrive{
		MetaData:    map[string]any{"name": "host-0"},
		NetworkData: map[string]any{"links": []any{}, "networks": []any{}, "services": []any{}},
		UserData:    "#cloud-config\n",
	}}, nodes.Active)
	provision(at(owner, "1.87"), id, "service", nodes.ProvisionStateOpts{Target: nodes.TargetService, ServiceSteps: []nodes.ServiceStep{
		{Interface: nodes.InterfaceManagement, Step: "reset_bmc"},
	}}, nodes.Active)
	provision(owner, id, "rescue", nodes.ProvisionStateOpts{Target: nodes.TargetRescue, RescuePassword: "let-me-in"}, nodes.Rescue)
	provision(owner, id, "unrescue", nodes.ProvisionStateOpts{Target: nodes.TargetUnrescue}, nodes.Active)
	provision(owner, id, "rebuild", nodes.ProvisionStateOpts{Target: nodes.TargetRebuild}, nodes.Active)
	provision(owner, id, "deleted", nodes.ProvisionStateOpts{Target: nodes.TargetDeleted}, nodes.Available)
	provision(owner, id, "manage again", nodes.ProvisionStateOpts{Target: nodes.TargetManage}, nodes.Manageable)
}

// Data images and networks.
func attachments(owner *gophercloud.ServiceClient, id string) {
	media := at(owner, "1.93")
	done("attach virtual media", func() error {
		return nodes.AttachVirtualMedia(ctx, media, id, nodes.AttachVirtualMediaOpts{
			DeviceType: nodes.VirtualMediaCD, ImageURL: "http://127.0.0.1/data.iso", ImageDownloadSource: nodes.ImageDownloadSourceHTTP,
		}).ExtractErr()
	})
	call("virtual media", func() (any, error) {
		var body any
		err := nodes.GetVirtualMedia(ctx, media, id).ExtractInto(&body)
		return body, err
	})
	done("detach virtual media", func() error {
		return nodes.DetachVirtualMedia(ctx, media, id, nodes.DetachVirtualMediaOpts{
			DeviceTypes: []nodes.VirtualMediaDeviceType{nodes.VirtualMediaCD, nodes.VirtualMediaDisk},
		}).ExtractErr()
	})
	done("attach VIF", func() error {
		return nodes.AttachVirtualInterface(ctx, owner, id, nodes.VirtualInterfaceOpts{ID: vif}).ExtractErr()
	})
	call("VIFs", func() (any, error) { return nodes.ListVirtualInterfaces(ctx, owner, id).Extract() })
	done("detach VIF", func() error { return nodes.DetachVirtualInterface(ctx, owner, id, vif).ExtractErr() })
}

// A host that was provisioned by others is taken as it is; its power is never cut.
func adoption(admin, owner *gophercloud.ServiceClient, id string) {
	call("disable power off", func() (any, error) {
		return nodes.Update(ctx, at(admin, "1.95"), id, nodes.UpdateOpts{
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/disable_power_off", Value: true},
		}).Extract()
	})
	done("power off refused", func() error {
		return nodes.ChangePowerState(ctx, owner, id, nodes.PowerStateOpts{Target: nodes.PowerOff}).ExtractErr()
	})
	call("enable power off", func() (any, error) {
		return nodes.Update(ctx, at(admin, "1.95"), id, nodes.UpdateOpts{
			nodes.UpdateOperation{Op: nodes.AddOp, Path: "/disable_power_off", Value: false},
		}).Extract()
	})
	provision(owner, id, "adopt", nodes.ProvisionStateOpts{Target: nodes.TargetAdopt}, nodes.Active)
}

func passthru(admin *gophercloud.ServiceClient, id string) {
	call("vendor methods", func() (any, error) { return nodes.ListVendorPassthruMethods(ctx, admin, id).Extract() })
	call("vendor call", func() (any, error) {
		return nodes.CallVendorPassthru(ctx, admin, id, "POST", nodes.VendorPassthruCallOpts{
			Method: "echo", Body: map[string]any{"word": "hello"},
		}).Extract()
	})
	call("no subscriptions here", func() (any, error) {
		return nodes.GetAllSubscriptions(ctx, admin, id, nodes.CallVendorPassthruOpts{Method: "get_all_subscriptions"}).Extract()
	})
	call("driver vendor methods", func() (any, error) {
		return drivers.ListVendorPassthruMethods(ctx, admin, "fake-hardware").Extract()
	})
}

func allocation(owner *gophercloud.ServiceClient) {
	made := call("allocation create", func() (any, error) {
		return allocations.Create(ctx, owner, allocations.CreateOpts{
			Name: "for-metal3", ResourceClass: "baremetal", CandidateNodes: []string{"machine-4"},
		}).Extract()
	})
	if _, ok := made.(*allocations.Allocation); !ok {
		return
	}
	call("allocation active", func() (any, error) {
		for {
			found, err := allocations.Get(ctx, owner, "for-metal3").Extract()
			if err != nil || found.State != "allocating" {
				return found, err
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	call("allocations list", func() (any, error) {
		pages, err := allocations.List(owner, allocations.ListOpts{ResourceClass: "baremetal"}).AllPages(ctx)
		if err != nil {
			return nil, err
		}
		return allocations.ExtractAllocations(pages)
	})
	done("allocation delete", func() error { return allocations.Delete(ctx, owner, "for-metal3").ExtractErr() })
}

// A host disappears: its ports and its node are deleted, whatever state it is in.
func removal(owner *gophercloud.ServiceClient, id string) {
	call("ports to delete", func() (any, error) {
		found, err := portsOf(owner, ports.ListOpts{NodeUUID: id})
		for _, port := range found {
			err = errors.Join(err, ports.Delete(ctx, owner, port.UUID).ExtractErr())
		}
		return len(found), err
	})
	done("delete refused", func() error { return nodes.Delete(ctx, owner, id).ExtractErr() })
	done("maintenance before delete", func() error {
		return nodes.SetMaintenance(ctx, owner, id, nodes.MaintenanceOpts{Reason: "forced deletion"}).ExtractErr()
	})
	done("delete", func() error { return nodes.Delete(ctx, owner, id).ExtractErr() })
	call("node is gone", func() (any, error) { return nodes.Get(ctx, owner, id).Extract() })
}

func portsOf(client *gophercloud.ServiceClient, opts ports.ListOpts) ([]ports.Port, error) {
	pages, err := ports.ListDetail(client, opts).AllPages(ctx)
	if err != nil {
		return nil, err
	}
	return ports.ExtractPorts(pages)
}

// Orders a change of state and waits for its end.
func provision(client *gophercloud.ServiceClient, id, name string, opts nodes.ProvisionStateOpts, state nodes.ProvisionState) {
	call(name, func() (any, error) {
		if err := nodes.ChangeProvisionState(ctx, client, id, opts).ExtractErr(); err != nil {
			return nil, err
		}
		return watch(client, id, func(node *nodes.Node) bool {
			return node.TargetProvisionState == "" && node.ProvisionState == string(state)
		})
	})
}

func until(name string, client *gophercloud.ServiceClient, id string, reached func(*nodes.Node) bool) {
	call(name+" reached", func() (any, error) { return watch(client, id, reached) })
}

func watch(client *gophercloud.ServiceClient, id string, reached func(*nodes.Node) bool) (*nodes.Node, error) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		node, err := nodes.Get(ctx, client, id).Extract()
		if err != nil || reached(node) {
			return node, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("is %s, on its way to %s: %s", node.ProvisionState, node.TargetProvisionState, node.LastError)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func done(name string, act func() error) {
	call(name, func() (any, error) { return nil, act() })
}

func call(name string, act func() (any, error)) any {
	value, err := act()
	line := map[string]any{"call": name, "value": value}
	if err != nil {
		line = map[string]any{"call": name, "error": err.Error()}
		var unexpected gophercloud.ErrUnexpectedResponseCode
		if errors.As(err, &unexpected) {
			line["status"] = unexpected.Actual
		}
		value = nil
	}
	must(lines.Encode(line))
	return value
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
